/** Bytes as text: `0x` and two hex digits each. */
export type Hex = `0x${string}`;
