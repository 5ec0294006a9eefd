import { decodeBytes32String, encodeBytes32String, Interface, toUtf8String } from 'ethers';
import { z } from 'zod';
import { snetRegistryAbi } from '../../../../contracts/abi/snet-registry.ts';
import type { Logger } from '../../../../lib/log.ts';
import type { EthereumRpc } from '../../rpc/ethereum-rpc.ts';
import type { ContractBook } from '../../transactions/contract-book.ts';
import { resolveContract } from './resolve-contract.ts';
import type { RegistryFacts } from './service-directory.ts';
import type { SnetFile } from './snet-schema.ts';

const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/);
/** Metadata of an organisation, in the parts that are read. */
const orgMetadata = z.object({
  groups: z.array(
    z.object({
      group_name: z.string(),
      group_id: z.string(),
      payment: z.object({ payment_address: address, payment_expiration_threshold: z.coerce.number().int() }),
    }),
  ),
});
const cogs = z.union([z.int().min(0), z.string().regex(/^\d+$/)]).transform(BigInt);
const serviceMetadata = z.object({
  groups: z
    .array(
      z.object({
        group_name: z.string(),
        free_calls: z.coerce.number().int().default(0),
        endpoints: z.array(z.string()),
        pricing: z.array(
          z.object({
            price_model: z.string(),
            price_in_cogs: cogs.optional(),
            default: z.boolean().optional(),
            package_name: z.string().optional(),
            details: z
              .array(
                z.object({
                  service_name: z.string(),
                  method_pricing: z.array(z.object({ method_name: z.string(), price_in_cogs: cogs })),
                }),
              )
              .optional(),
          }),
        ),
      }),
    )
    .min(1),
});

const abi = new Interface(snetRegistryAbi);
const FETCH_TIMEOUT_MS = 10_000;
const MAX_METADATA_BYTES = 1_000_000;
const CID = /^(?:ipfs|filecoin):\/\/([A-Za-z0-9]+)$/;

/**
 * What the registry contract and the metadata behind it tell of the organisations that ask for it. One that cannot be
 * reached is left out with a warning: the file may tell enough.
 */
export async function readRegistry(deps: {
  file: SnetFile;
  rpc: EthereumRpc;
  book: ContractBook;
  log: Logger;
}): Promise<Map<string, RegistryFacts>> {
  const { file, rpc, book, log } = deps;
  const found = new Map<string, RegistryFacts>();
  const wanted = Object.entries(file.organizations).filter(([, org]) => org.fromRegistry);
  const { registry, ipfsGateway } = file;
  if (wanted.length === 0 || registry === undefined || ipfsGateway === undefined) return found;
  const contract = resolveContract(book, registry, 'registry');
  const call = async (name: string, args: readonly unknown[]) => {
    const data = abi.encodeFunctionData(name, args);
    const answer = await rpc.request('eth_call', [{ to: contract.address, data }, 'latest'], {
      principal: 'snet',
    });
    return abi.decodeFunctionResult(name, String(answer));
  };
  for (const [org, settings] of wanted) {
    try {
      const orgId = encodeBytes32String(org);
      const answer = await call('getOrganizationById', [orgId]);
      if (!answer.found) throw new Error(`the registry has no organisation ${org}`);
      const { groups } = orgMetadata.parse(await fetchMetadata(ipfsGateway, answer.orgMetadataURI as string));
      const services: Record<string, RegistryFacts['services'][string]> = {};
      const published = (await call('listServicesForOrganization', [orgId])).serviceIds as string[];
      for (const id of published) {
        const name = decodeBytes32String(id);
        const wantedGroup = settings.services[name]?.group;
        if (!(name in settings.services)) continue;
        const service = await call('getServiceRegistrationById', [orgId, id]);
        const metadata = serviceMetadata.parse(
          await fetchMetadata(ipfsGateway, service.metadataURI as string),
        );
        services[name] = factsOf(metadata, wantedGroup);
      }
      found.set(org, {
        groups: Object.fromEntries(
          groups.map((group) => [
            group.group_name,
            {
              id: group.group_id,
              recipient: group.payment.payment_address,
              expirationThreshold: group.payment.payment_expiration_threshold,
            },
          ]),
        ),
        services,
      });
    } catch (error) {
      log.warn(
        { err: error, org },
        'the registry could not be read; only SNET_FILE counts for this organisation',
      );
    }
  }
  return found;
}

function factsOf(
  metadata: z.output<typeof serviceMetadata>,
  wantedGroup: string | undefined,
): RegistryFacts['services'][string] {
  const group =
    metadata.groups.find(({ group_name }) => group_name === wantedGroup) ??
    (metadata.groups[0] as (typeof metadata.groups)[number]);
  const fixed = group.pricing.find((price) => price.price_model === 'fixed_price');
  const prices: Record<string, bigint> = {};
  for (const { package_name, details } of group.pricing)
    for (const service of details ?? [])
      for (const method of service.method_pricing)
        prices[`${package_name ? `${package_name}.` : ''}${service.service_name}/${method.method_name}`] =
          method.price_in_cogs;
  return {
    group: group.group_name,
    endpoints: group.endpoints,
    price: fixed?.price_in_cogs,
    prices,
    freeCalls: group.free_calls,
  };
}

/** `ipfs://<cid>` or `filecoin://<cid>`, in the bytes of the contract, from the configured gateway. */
async function fetchMetadata(gateway: string, uri: string): Promise<unknown> {
  const text = toUtf8String(uri).replace(/\0+$/, '');
  const cid = CID.exec(text)?.[1];
  if (cid === undefined)
    throw new Error(`metadata is at ${text.slice(0, 100)}, which is neither ipfs:// nor filecoin://`);
  const response = await fetch(`${gateway.replace(/\/$/, '')}/ipfs/${cid}`, {
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
    redirect: 'error',
  });
  if (!response.ok) throw new Error(`${gateway} answered ${response.status} for ${cid}`);
  const body = await response.text();
  if (body.length > MAX_METADATA_BYTES)
    throw new Error(`metadata ${cid} is larger than ${MAX_METADATA_BYTES} bytes`);
  return JSON.parse(body);
}
