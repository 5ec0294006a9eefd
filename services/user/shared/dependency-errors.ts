import type { Route } from '../../../lib/http/route.ts';
import { asDependencyError } from '../../../lib/postgres.ts';

/** A route that says "the database is away, try again" instead of "something went wrong". */
export const withDependencyErrors = (route: Route): Route => ({
  ...route,
  async handler(context: Parameters<Route['handler']>[0]) {
    try {
      return await route.handler(context);
    } catch (error) {
      throw asDependencyError(error);
    }
  },
});
