/** jest: stops what global-setup.ts started and removes its folder. */
// biome-ignore lint/style/noDefaultExport: jest looks for a default export here
export default async function globalTeardown(): Promise<void> {
  await globalThis.testServers?.stop();
}
