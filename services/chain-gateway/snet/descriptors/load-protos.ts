import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs';
import 'protobufjs/ext/descriptor.js';

/** Descriptor sets, as `protoc --descriptor_set_out` or `buf build` writes them. */
const DESCRIPTOR_SET = /\.(pb|binpb|desc|protoset)$/;

/**
 * The message types in .proto files or descriptor sets.
 * @throws Error naming the file and what is wrong in it
 */
export function loadProtos(files: readonly string[]): protobuf.Root {
  const root = new protobuf.Root();
  for (const file of files) {
    try {
      if (DESCRIPTOR_SET.test(file)) {
        const set = protobuf.Root.fromDescriptor(readFileSync(file));
        for (const child of set.nestedArray) root.add(child);
      } else root.loadSync(file);
    } catch (cause) {
      throw new Error(`cannot read message types from ${file}: ${(cause as Error).message}`, { cause });
    }
  }
  root.resolveAll();
  return root;
}

/** The same from the parts of a descriptor set, as reflection sends them. */
export function rootOfDescriptors(files: readonly Uint8Array[]): protobuf.Root {
  // A set is a message with the files in field 1, each length-delimited.
  const writer = protobuf.Writer.create();
  for (const file of files) writer.uint32((1 << 3) | 2).bytes(file);
  const root = protobuf.Root.fromDescriptor(writer.finish());
  root.resolveAll();
  return root;
}
