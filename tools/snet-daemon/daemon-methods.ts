import { join } from 'node:path';
import protobuf from 'protobufjs';

const root = protobuf.loadSync(join(import.meta.dirname, 'daemon.proto'));

interface Codec {
  readonly decodeRequest: (bytes: Buffer) => Record<string, never>;
  readonly encodeReply: (reply: Record<string, unknown>) => Buffer;
}

/** Converters of the daemon's own methods by path. */
export const DAEMON_METHODS: Readonly<Record<string, Codec>> = Object.fromEntries(
  ['PaymentChannelStateService', 'TokenService', 'FreeCallStateService'].flatMap((name) => {
    const service = root.lookupService(`escrow.${name}`);
    return service.methodsArray.map((method) => {
      const request = root.lookupType(`escrow.${method.requestType}`);
      const reply = root.lookupType(`escrow.${method.responseType}`);
      const codec: Codec = {
        decodeRequest: (bytes) =>
          request.toObject(request.decode(bytes), { longs: String, defaults: true }) as Record<string, never>,
        encodeReply: (value) => Buffer.from(reply.encode(reply.fromObject(value)).finish()),
      };
      return [`/escrow.${name}/${method.name}`, codec];
    });
  }),
);
