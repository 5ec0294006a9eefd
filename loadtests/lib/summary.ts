/** Writes the whole summary as JSON where tools/load reads it; what people read is the verdict that it prints. */
export function summaryTo(data: unknown): Record<string, string> {
  const file = __ENV.SUMMARY_FILE;
  return file ? { [file]: JSON.stringify(data) } : { stdout: JSON.stringify(data, null, 2) };
}
