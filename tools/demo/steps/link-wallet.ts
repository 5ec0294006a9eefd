import { expectEqual, expectThat } from '../demo-failure.ts';
import { openEventStream } from '../event-stream.ts';
import { newWallet } from '../person.ts';
import type { Step } from '../story.ts';

const DISPLAY_NAME = 'Ada of the demo';

/** 2. She links a second wallet, sets a display name and preferences, and opens her notification stream. */
export const linkWalletStep: Step = {
  id: 'link-wallet',
  title: 'She links a wallet and sets preferences',
  needs: ['sign-in'],
  async run(story) {
    const { api, user, signal, facts } = story;
    const { accessToken: token } = story.fact('person');
    const second = newWallet();
    const { body: challenge } = await api.post('/v1/wallets/challenge', {
      token,
      body: { address: second.address },
    });
    const signature = await second.signMessage(challenge.message);
    await api.post('/v1/wallets', {
      token,
      body: { message: challenge.message, signature, label: 'Second wallet' },
      idempotencyKey: crypto.randomUUID(),
    });
    const { body: wallets } = await api.get('/v1/wallets', { token });
    const addresses = wallets.data.map((wallet: { address: string }) => wallet.address);
    expectThat(addresses.includes(second.address), `${second.address} among her wallets`, addresses, 'api');
    expectEqual(addresses.length, 2, 'the number of her wallets', 'api');

    const { body: profile } = await user.send('PATCH', '/v1/me', {
      token,
      body: { displayName: DISPLAY_NAME },
    });
    expectEqual(profile.displayName, DISPLAY_NAME, 'her display name', 'user');
    const { body: preferences } = await user.send('PUT', '/v1/me/preferences', {
      token,
      body: { channels: { email: { enabled: false } }, minimumAmounts: { RJV: '0.5' } },
    });
    expectEqual(preferences.minimumAmounts?.RJV, '0.5', 'her smallest amount in the preferences', 'user');

    // Open from now on: what happens later must come by itself.
    const inbox = await openEventStream({
      url: `${user.baseUrl}/v1/notifications/stream`,
      token,
      service: 'user',
      signal,
    });
    story.cleanup.add('her event stream', () => inbox.close());
    facts.inbox = inbox;
    return {
      did: `${second.address} signed and is linked; name and preferences are stored; her event stream is open`,
      look: `${api.baseUrl}/v1/wallets`,
    };
  },
};
