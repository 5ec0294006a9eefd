/** The flag of the frame that carries the trailers (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md). */
const TRAILERS = 0x80;
const HEADER_BYTES = 5;

function frame(flag: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUInt8(flag, 0);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

export const dataFrame = (message: Uint8Array): Buffer => frame(0, message);

export function trailerFrame(trailers: Readonly<Record<string, string>>): Buffer {
  const lines = Object.entries(trailers).map(([name, value]) => `${name}: ${value}\r\n`);
  return frame(TRAILERS, Buffer.from(lines.join(''), 'latin1'));
}

/** Percent-encoding of a status message: what is not printable ASCII. */
export const encodeStatusMessage = (text: string): string =>
  [...Buffer.from(text, 'utf8')]
    .map((byte) =>
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('');

/** The one message of a request body. @throws Error when it is not exactly one uncompressed message */
export function readMessage(body: Buffer): Buffer {
  if (body.length < HEADER_BYTES) throw new Error('the body ends before its first frame');
  const flag = body.readUInt8(0);
  const length = body.readUInt32BE(1);
  if (flag !== 0) throw new Error('compressed messages are not supported');
  if (body.length !== HEADER_BYTES + length)
    throw new Error(`the frame announces ${length} bytes, and ${body.length - HEADER_BYTES} follow`);
  return body.subarray(HEADER_BYTES);
}

const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** `grpc-timeout: 10S` in milliseconds; undefined when there is none that can be read. */
export function timeoutMs(header: string | undefined): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(header ?? '');
  return match ? Math.max(1, Number(match[1]) * (UNITS[match[2] as string] ?? 1)) : undefined;
}
