import { join } from 'node:path';

/** Message types of the example service behind the stand-in daemon. */
export const EXAMPLE_PROTO = join(import.meta.dirname, 'example.proto');
