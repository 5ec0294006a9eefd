import { readFile } from 'node:fs/promises';
import { computeAddress, hexlify, SigningKey, Wallet } from 'ethers';
import type { Signer } from './signer.ts';

/** A key in this process's memory. */
export function createKeySigner(privateKey: string, type = 'private-key-file'): Signer {
  const key = new SigningKey(privateKey);
  return {
    address: computeAddress(key.publicKey),
    type,
    async signDigest(digest) {
      const { r, s, yParity } = key.sign(hexlify(digest));
      return { r, s, yParity };
    },
  };
}

/** A file that holds one private key in hex; keep its mode at 0600. */
export async function loadPrivateKeyFile(file: string): Promise<Signer> {
  const text = (await readFile(file, 'utf8')).trim();
  if (!/^(0x)?[0-9a-fA-F]{64}$/.test(text))
    throw new Error(`${file} must hold one private key: 64 hexadecimal digits`);
  return createKeySigner(text.startsWith('0x') ? text : `0x${text}`);
}

/** An encrypted Web3 keystore (version 3); the password comes from a file of its own. */
export async function loadKeystore(file: string, passwordFile: string): Promise<Signer> {
  const [json, password] = await Promise.all([readFile(file, 'utf8'), readFile(passwordFile, 'utf8')]);
  try {
    const wallet = await Wallet.fromEncryptedJson(json, password.trim());
    return createKeySigner(wallet.privateKey, 'keystore');
  } catch (cause) {
    throw new Error(
      `${file} could not be opened: it is no keystore, or the password in ${passwordFile} is wrong`,
      { cause },
    );
  }
}
