import { createHmac, timingSafeEqual } from 'node:crypto';
import { AppError } from './errors.ts';

/** Positions in a list as opaque strings: signed, so that a forged or foreign one is refused and not misread. */
export interface CursorCodec {
  /** @param list names the list and everything that shapes its order and content (filters included). */
  encode(list: string, position: readonly (string | number)[]): string;
  /** @throws AppError `invalid_cursor` */
  decode(list: string, cursor: string): (string | number)[];
}

/** 12 bytes of HMAC: forging takes 2^96 tries, and the cursor stays short. */
const TAG_BYTES = 12;
const MAX_CURSOR_CHARACTERS = 1_024;

export function createCursorCodec(secret: string): CursorCodec {
  const tagOf = (list: string, payload: string): Buffer =>
    createHmac('sha256', secret).update(`${list}\n${payload}`).digest().subarray(0, TAG_BYTES);
  const refuse = (): AppError =>
    new AppError(
      'invalid_cursor',
      'The cursor belongs to another list, other filters, or was changed. Start again without it.',
      {
        errors: [
          {
            pointer: '?cursor',
            rule: 'cursor',
            detail: 'Use page.next of the previous answer, with the same filters.',
          },
        ],
      },
    );
  return {
    encode(list, position) {
      const payload = JSON.stringify(position);
      return Buffer.concat([tagOf(list, payload), Buffer.from(payload)]).toString('base64url');
    },
    decode(list, cursor) {
      if (cursor.length > MAX_CURSOR_CHARACTERS || !/^[A-Za-z0-9_-]+$/.test(cursor)) throw refuse();
      const bytes = Buffer.from(cursor, 'base64url');
      const payload = bytes.subarray(TAG_BYTES).toString('utf8');
      const tag = bytes.subarray(0, TAG_BYTES);
      if (tag.length !== TAG_BYTES || !timingSafeEqual(tag, tagOf(list, payload))) throw refuse();
      return JSON.parse(payload);
    },
  };
}
