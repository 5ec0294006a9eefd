import { Client, type ClientDuplexStream, credentials, Metadata, status } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { rootOfDescriptors } from './load-protos.ts';

// https://github.com/grpc/grpc/blob/master/doc/server-reflection.md; v1 and v1alpha differ in the name only.
const { root } = protobuf.parse(`
syntax = "proto3";
message Request {
  oneof message_request {
    string file_by_filename = 3;
    string file_containing_symbol = 4;
    string list_services = 7;
  }
}
message Response {
  Files file_descriptor_response = 4;
  Services list_services_response = 6;
  Failure error_response = 7;
}
message Files { repeated bytes file_descriptor_proto = 1; }
message Services { repeated Service service = 1; }
message Service { string name = 1; }
message Failure { int32 error_code = 1; string error_message = 2; }
`);
const requestType = root.lookupType('Request');
const responseType = root.lookupType('Response');

interface Answer {
  fileDescriptorResponse?: { fileDescriptorProto: Uint8Array[] };
  listServicesResponse?: { service: { name: string }[] };
  errorResponse?: { errorMessage: string };
}

const TIMEOUT_MS = 5_000;
/** Services that every server has; they are not what people call. */
const PLUMBING = /^(grpc\.|escrow\.)/;

/**
 * Asks a server which methods it has. Daemons pass only paid calls on, so this is mostly the service's own address.
 * @throws Error when it does not offer reflection
 */
export async function reflectProtos(endpoint: string): Promise<protobuf.Root> {
  const url = new URL(endpoint);
  const secure = url.protocol === 'https:';
  const client = new Client(
    `${url.hostname}:${url.port || (secure ? 443 : 80)}`,
    secure ? credentials.createSsl() : credentials.createInsecure(),
  );
  try {
    return await ask(client, 'v1').catch((error: { code?: number }) => {
      if (error.code !== status.UNIMPLEMENTED) throw error;
      return ask(client, 'v1alpha');
    });
  } catch (cause) {
    throw new Error(`${endpoint} did not tell its methods by reflection: ${(cause as Error).message}`, {
      cause,
    });
  } finally {
    client.close();
  }
}

async function ask(client: Client, version: string): Promise<protobuf.Root> {
  const stream: ClientDuplexStream<Buffer, Buffer> = client.makeBidiStreamRequest(
    `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    (bytes: Buffer) => bytes,
    (bytes: Buffer) => bytes,
    new Metadata(),
    { deadline: Date.now() + TIMEOUT_MS },
  );
  const answers = stream[Symbol.asyncIterator]();
  const question = async (body: Record<string, string>): Promise<Answer> => {
    stream.write(Buffer.from(requestType.encode(requestType.fromObject(body)).finish()));
    const { value, done } = await answers.next();
    if (done) throw new Error('the stream ended early');
    const answer = responseType.toObject(responseType.decode(value as Buffer)) as Answer;
    if (answer.errorResponse) throw new Error(answer.errorResponse.errorMessage);
    return answer;
  };
  const { listServicesResponse } = await question({ listServices: '' });
  const files = new Map<string, Uint8Array>();
  for (const { name } of listServicesResponse?.service ?? []) {
    if (PLUMBING.test(name)) continue;
    const { fileDescriptorResponse } = await question({ fileContainingSymbol: name });
    for (const file of fileDescriptorResponse?.fileDescriptorProto ?? [])
      files.set(Buffer.from(file).toString('base64'), file);
  }
  stream.end();
  if (files.size === 0) throw new Error('it lists no services');
  return rootOfDescriptors([...files.values()]);
}
