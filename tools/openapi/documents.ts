import { buildOpenApi, type OpenApiDocument } from '../../lib/http/openapi.ts';
import { type ApiFeatures, apiInfo, apiRoutes } from '../../services/api/api-routes.ts';
import { collectRoutes } from './collect-routes.ts';

/** Reads whatever is asked of it as an object without content; route functions only destructure. */
const nothing: unknown = new Proxy({}, { get: (_target, name) => (name === 'then' ? undefined : nothing) });

const problems = 'Errors are RFC 9457 problem documents.';

/** The documents of all services, made from their route definitions; the same schemas that validate. */
export async function allDocuments(): Promise<Record<string, OpenApiDocument>> {
  return {
    api: buildOpenApi(apiRoutes(nothing as ApiFeatures), apiInfo),
    'chain-gateway': buildOpenApi(await collectRoutes('chain-gateway', ['gateway-routes.ts']), {
      title: 'Chain gateway',
      version: '1.0.0',
      description: `JSON-RPC over several providers, transactions, and the index of the chain; for our own services. ${problems}`,
    }),
    user: buildOpenApi(await collectRoutes('user'), {
      title: 'User service',
      version: '1.0.0',
      description: `Sign-in, profiles, ledger and notifications. ${problems}`,
    }),
  };
}
