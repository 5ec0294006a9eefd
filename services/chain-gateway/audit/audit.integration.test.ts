import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { createLogger } from '../../../lib/log.ts';
import { openReplay } from '../testing/replay.ts';
import { appendAudit } from './append-audit.ts';
import { sealAudit, verifyAudit } from './seal-audit.ts';

let database: Awaited<ReturnType<typeof openReplay>>;
beforeAll(async () => {
  database = await openReplay(createLogger({ service: 'test', level: 'error' }));
});
afterAll(() => database?.close());

/** What somebody with the right to switch off triggers could do. */
const tamper = async (statement: string): Promise<void> => {
  await sql
    .raw(`ALTER TABLE gateway.audit_entries DISABLE TRIGGER ALL; ALTER TABLE gateway.audit_chain DISABLE TRIGGER ALL; ${statement};
    ALTER TABLE gateway.audit_entries ENABLE TRIGGER ALL; ALTER TABLE gateway.audit_chain ENABLE TRIGGER ALL`)
    .execute(database.postgres.db);
};

describe('the trail', () => {
  it('chains what many wrote at once, each entry once', async () => {
    const { postgres } = database;
    await Promise.all(
      Array.from({ length: 30 }, (_, n) =>
        postgres.transaction((trx) =>
          appendAudit(trx, [
            { subject: `s${n}`, action: 'did', actor: 'test', details: { n, amount: 10n ** 30n } },
          ]),
        ),
      ),
    );
    const counts = await Promise.all([sealAudit(postgres), sealAudit(postgres)]);
    await sealAudit(postgres);
    expect(Math.max(...counts)).toBe(30);
    expect(await verifyAudit(postgres.db)).toMatchObject({ entries: 30, unsealed: 0, broken: undefined });
  });

  it('finds a changed entry, and a cut end when the head was kept', async () => {
    const { db } = database.postgres;
    const { head } = await verifyAudit(db);
    await tamper(`UPDATE gateway.audit_entries SET details = '{"n": 99}' WHERE id = 7`);
    expect((await verifyAudit(db)).broken?.reason).toContain('was changed');
    await tamper(
      `DELETE FROM gateway.audit_chain WHERE seq >= 7; DELETE FROM gateway.audit_entries WHERE id NOT IN (SELECT entry_id FROM gateway.audit_chain)`,
    );
    expect(await verifyAudit(db)).toMatchObject({ entries: 6, broken: undefined });
    expect((await verifyAudit(db, head)).broken?.reason).toContain('cut off');
  });

  it('finds an entry in the middle that was removed', async () => {
    await tamper('DELETE FROM gateway.audit_chain WHERE seq = 3');
    expect((await verifyAudit(database.postgres.db)).broken).toMatchObject({
      seq: 3,
      reason: 'link 3 is missing',
    });
  });
});
