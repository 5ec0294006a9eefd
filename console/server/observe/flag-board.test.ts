import { describe, expect, it } from '@jest/globals';
import { parseExposition } from './exposition.ts';
import { flagsOf } from './flag-board.ts';

const reading = (name: string, text: string) => ({
  target: { name, url: `http://${name}` },
  ...{ at: 0, ready: true, error: undefined, parts: [], samples: parseExposition(text) },
});

describe('feature flags', () => {
  it('shows each flag with its value in every process, divisions and mistakes', () => {
    const { flags, mistakenIn } = flagsOf({
      at: 0,
      readings: [
        reading(
          'gateway-1',
          'feature_flag_value{flag="hedging",value="true",reason="STATIC",known="true"} 1\nfeature_flags_file_mistakes 1',
        ),
        reading(
          'gateway-2',
          'feature_flag_value{flag="hedging",value="false",reason="STATIC",known="true"} 1\nfeature_flags_file_mistakes 0',
        ),
        reading(
          'api',
          'feature_flag_value{flag="hedging",value="false",reason="STATIC",known="false"} 1\nfeature_flag_value{flag="api-writes",value="true",reason="DEFAULT",known="true"} 1',
        ),
      ],
    });
    expect(flags.map(({ flag, divided }) => [flag, divided])).toEqual([
      ['api-writes', false],
      ['hedging', true],
    ]);
    expect(flags[1]?.processes.map(({ process, value }) => `${process}=${value}`)).toEqual([
      'gateway-1=true',
      'gateway-2=false',
      'api=false',
    ]);
    expect(mistakenIn).toEqual(['gateway-1']);
    expect(flagsOf(undefined)).toEqual({ flags: [], mistakenIn: [] });
  });
});
