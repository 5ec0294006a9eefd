import { expectEqual, expectThat } from '../demo-failure.ts';
import { newWallet, signIn } from '../person.ts';
import type { Step } from '../story.ts';

/** 1. A new person signs in with Ethereum: access token, refresh token, profile. */
export const signInStep: Step = {
  id: 'sign-in',
  title: 'A new person signs in with Ethereum',
  needs: [],
  async run(story) {
    const { user, facts, stack } = story;
    const wallet = newWallet();
    const { person, message, signature } = await signIn(user, wallet, stack.state.chainId);
    expectThat(person.refreshToken, 'a refresh token', person.refreshToken, 'user');
    const { body: profile } = await user.get('/v1/me', { token: person.accessToken });
    expectEqual(profile.id, person.id, 'the id of the profile', 'user');

    // The nonce is used: the same signature must open no second session.
    const replay = await user.post('/v1/auth/siwe', { body: { message, signature }, expect: 401 });
    expectEqual(replay.body?.code, 'nonce_used', 'the code of a replayed sign-in', 'user');

    // A refresh token works once and gives the next one.
    const { body: refreshed } = await user.post('/v1/auth/refresh', {
      body: { refreshToken: person.refreshToken },
    });
    expectThat(
      refreshed.refreshToken !== person.refreshToken,
      'another refresh token',
      'the same one',
      'user',
    );
    facts.person = { ...person, accessToken: refreshed.accessToken, refreshToken: refreshed.refreshToken };
    return {
      did: `${wallet.address} signed an EIP-4361 message; she is person ${person.id}; a replay was refused`,
      look: `${user.baseUrl}/v1/me`,
    };
  },
};
