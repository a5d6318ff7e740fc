import type { ModuleContext } from '#platform/module';
import type { PaymentProvider } from './provider.ts';

/** What the use cases of this module work with. */
export interface PaymentContext
  extends Pick<ModuleContext, 'database' | 'outbox' | 'idempotency' | 'log' | 'newId'> {
  /** The provider that takes the money. */
  readonly provider: PaymentProvider;
}
