import { emptyWalletStep } from './steps/empty-wallet.ts';
import { healthDataStep } from './steps/health-data.ts';
import { linkWalletStep } from './steps/link-wallet.ts';
import { notificationStep } from './steps/notification.ts';
import { operationsStep } from './steps/operations.ts';
import { providerOutageStep } from './steps/provider-outage.ts';
import { receiveTokensStep } from './steps/receive-tokens.ts';
import { signInStep } from './steps/sign-in.ts';
import type { Step } from './story.ts';

/** The story, in order. What a step needs stands before it. */
export const STEPS: readonly Step[] = [
  signInStep,
  linkWalletStep,
  emptyWalletStep,
  receiveTokensStep,
  notificationStep,
  healthDataStep,
  providerOutageStep,
  operationsStep,
];
