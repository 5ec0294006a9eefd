import { buildOpenApi, type OpenApiDocument } from '../../lib/http/openapi.ts';
import { type ApiFeatures, apiInfo, apiRoutes } from '../../services/api/api-routes.ts';
import { gatewayInfo } from '../../services/chain-gateway/openapi-info.ts';
import { userInfo } from '../../services/user/openapi-info.ts';
import { collectRoutes } from './collect-routes.ts';

/** Reads whatever is asked of it as an object without content; route functions only destructure. */
const nothing: unknown = new Proxy({}, { get: (_target, name) => (name === 'then' ? undefined : nothing) });

/** The documents of all services, made from their route definitions; the same schemas that validate. */
export async function allDocuments(): Promise<Record<string, OpenApiDocument>> {
  return {
    api: buildOpenApi(apiRoutes(nothing as ApiFeatures), apiInfo),
    'chain-gateway': buildOpenApi(await collectRoutes('chain-gateway', ['gateway-routes.ts']), gatewayInfo),
    user: buildOpenApi(await collectRoutes('user'), userInfo),
  };
}
