import protobuf from 'protobufjs';
import 'protobufjs/ext/descriptor.js';
import { EXAMPLE_PROTO } from './example-proto.ts';

// gRPC server reflection, in the parts that clients use to find message types. Both versions have the same messages.
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
const request = root.lookupType('Request');
const response = root.lookupType('Response');

export const REFLECTION_PATHS = ['v1', 'v1alpha'].map(
  (version) => `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
);

const example = protobuf.loadSync(EXAMPLE_PROTO);
example.resolveAll();
const descriptorSet = example.toDescriptor('proto3') as unknown as { file: protobuf.Message[] };
const files = descriptorSet.file.map((file) => (file.$type as protobuf.Type).encode(file).finish());
const SERVICES = ['rejuve.example.BayesianNetwork', 'rejuve.example.Echo'];
const NOT_FOUND = 5;

/** Answers one reflection request. */
export function reflect(bytes: Uint8Array): Buffer {
  const asked = request.toObject(request.decode(bytes)) as Record<string, string | undefined>;
  const symbol = asked.fileContainingSymbol;
  const answer =
    asked.listServices !== undefined
      ? { listServicesResponse: { service: SERVICES.map((name) => ({ name })) } }
      : symbol?.startsWith('rejuve.example.')
        ? { fileDescriptorResponse: { fileDescriptorProto: files } }
        : { errorResponse: { errorCode: NOT_FOUND, errorMessage: `no such symbol or file: ${symbol}` } };
  return Buffer.from(response.encode(response.fromObject(answer)).finish());
}
