/** The organisation and service of the development stack; the gateway's dev configuration says the same. */
export const DEV_SERVICE = {
  /** Index of the development account that is paid. */
  recipientAccount: 7,
  daemon: {
    orgId: 'rejuve',
    serviceId: 'example',
    groupName: 'default_group',
    groupId: 'cmVqdXZlIGRldmVsb3BtZW50IGdyb3VwIG51bWJlcjE=',
    groupIdHex: `0x${Buffer.from('cmVqdXZlIGRldmVsb3BtZW50IGdyb3VwIG51bWJlcjE=', 'base64').toString('hex')}`,
    // A short one, so that a development chain of a few hundred blocks can show an expiry.
    paymentExpirationThreshold: 50n,
    price: 10n,
    prices: { 'rejuve.example.BayesianNetwork/Infer': 25n },
    freeCalls: 3,
  },
} as const;
