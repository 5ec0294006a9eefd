import protobuf from 'protobufjs';

/** Deeper messages are named and not spelled out. */
const MAX_DEPTH = 4;

/** A message type in words that a person can write JSON from: field name → type, nested messages spelled out. */
export function describeMessage(type: protobuf.Type, depth = 0): Record<string, unknown> {
  return Object.fromEntries(
    type.fieldsArray.map((field) => [field.name, describeField(field.resolve(), depth)]),
  );
}

function describeField(field: protobuf.Field, depth: number): unknown {
  const { resolvedType } = field;
  let what: unknown = field.type;
  if (resolvedType instanceof protobuf.Enum) what = Object.keys(resolvedType.values).join(' | ');
  else if (resolvedType instanceof protobuf.Type) {
    const full = resolvedType.fullName.replace(/^\./, '');
    what =
      depth >= MAX_DEPTH || full.startsWith('google.protobuf.')
        ? full
        : describeMessage(resolvedType, depth + 1);
  } else if (['int64', 'uint64', 'sint64', 'fixed64', 'sfixed64'].includes(field.type))
    what = `${field.type} (string)`;
  else if (field.type === 'bytes') what = 'bytes (base64)';
  if (field instanceof protobuf.MapField) return { '*': what };
  return field.repeated ? [what] : what;
}
