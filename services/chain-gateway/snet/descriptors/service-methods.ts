import type protobuf from 'protobufjs';
import { AppError } from '../../../../lib/errors.ts';
import { nearest } from '../../../../lib/nearest.ts';

/** One method of a service behind a daemon. */
export interface ServiceMethod {
  /** `package.Service/Method`: how prices, statements and errors name it. */
  readonly name: string;
  /** `/package.Service/Method`: the path on the wire. */
  readonly path: string;
  readonly request: protobuf.Type;
  readonly response: protobuf.Type;
  readonly streamsAnswers: boolean;
  readonly streamsRequests: boolean;
}

export interface ServiceMethods {
  all(): readonly ServiceMethod[];
  /** `Method`, `Service/Method` or `package.Service/Method` (or with a dot for the slash), as long as it names one. @throws AppError not_found */
  find(name: string): ServiceMethod;
}

function* servicesIn(namespace: protobuf.NamespaceBase): Generator<protobuf.Service> {
  for (const child of namespace.nestedArray) {
    if ('methodsArray' in child) yield child as protobuf.Service;
    else if ('nestedArray' in child) yield* servicesIn(child as protobuf.NamespaceBase);
  }
}

export function methodsOf(root: protobuf.Root): ServiceMethods {
  root.resolveAll();
  const methods = [...servicesIn(root)].flatMap((service) =>
    service.methodsArray.map((method): ServiceMethod => {
      const name = `${service.fullName.replace(/^\./, '')}/${method.name}`;
      method.resolve();
      return {
        name,
        path: `/${name}`,
        request: method.resolvedRequestType as protobuf.Type,
        response: method.resolvedResponseType as protobuf.Type,
        streamsAnswers: method.responseStream === true,
        streamsRequests: method.requestStream === true,
      };
    }),
  );
  const names = methods.map((method) => method.name);
  return {
    all: () => methods,
    find(given) {
      // In a path the last dot stands for the slash: package.Service.Method.
      const asked = given.includes('/') ? given : given.replace(/\.([^.]+)$/, '/$1');
      const exact = methods.find((method) => method.name === asked);
      if (exact) return exact;
      const loose = methods.filter(
        (method) => method.name.endsWith(`/${asked}`) || method.name.endsWith(`.${asked}`),
      );
      if (loose.length === 1 && loose[0]) return loose[0];
      if (loose.length > 1)
        throw new AppError(
          'not_found',
          `${asked} names ${loose.length} methods; say which: ${loose.map((m) => m.name).join(', ')}`,
        );
      const short = names.map((name) => name.slice(name.lastIndexOf('/') + 1));
      const guess = nearest(asked, names) ?? names[short.indexOf(nearest(asked, short) ?? '')];
      throw new AppError(
        'not_found',
        `The service has no method ${asked}; ${guess ? `did you mean ${guess}?` : `it has: ${names.join(', ')}`}`,
      );
    },
  };
}
