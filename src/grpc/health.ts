import { create, createFileRegistry, type DescService, type Message } from '@bufbuild/protobuf';
import {
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { invariant } from '../errors.ts';

/** Whether this process is ready, as `/readyz` says. */
export type Serving = () => Promise<boolean>;

const [SERVING, NOT_SERVING] = [1, 2];

/** https://github.com/grpc/grpc/blob/master/doc/health-checking.md, without `Watch`, which this does not offer. */
const file = create(FileDescriptorProtoSchema, {
  name: 'grpc/health/v1/health.proto',
  package: 'grpc.health.v1',
  syntax: 'proto3',
  messageType: [
    {
      name: 'HealthCheckRequest',
      field: [{ name: 'service', number: 1, type: Type.STRING, label: Label.OPTIONAL, jsonName: 'service' }],
    },
    {
      name: 'HealthCheckResponse',
      field: [
        {
          name: 'status',
          number: 1,
          type: Type.ENUM,
          typeName: '.grpc.health.v1.HealthCheckResponse.ServingStatus',
          label: Label.OPTIONAL,
          jsonName: 'status',
        },
      ],
      enumType: [
        {
          name: 'ServingStatus',
          value: ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'].map((name, number) => ({
            name,
            number,
          })),
        },
      ],
    },
  ],
  service: [
    {
      name: 'Health',
      method: [
        {
          name: 'Check',
          inputType: '.grpc.health.v1.HealthCheckRequest',
          outputType: '.grpc.health.v1.HealthCheckResponse',
        },
      ],
    },
  ],
});

/** gRPC's own health check, without a token, as probes of Kubernetes and load balancers ask it. */
export function healthService(isServing: Serving, services: ReadonlySet<string>) {
  const desc: DescService | undefined = createFileRegistry(file, () => undefined).getService(
    'grpc.health.v1.Health',
  );
  const [check] = desc?.methods ?? [];
  invariant(check?.methodKind === 'unary', 'the health check has a descriptor');
  return {
    check,
    path: `/${check.parent.typeName}/${check.name}`,
    async answer(request: Message) {
      const { service = '' } = request as { service?: string };
      if (service !== '' && !services.has(service))
        throw new ConnectError(`there is no ${service} here`, Code.NotFound);
      return { status: (await isServing()) ? SERVING : NOT_SERVING };
    },
  };
}
