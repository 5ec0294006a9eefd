/** A deployment that cannot be done or failed; the message names the transaction or the setting. */
export class DeployError extends Error {
  override readonly name = 'DeployError';
}
