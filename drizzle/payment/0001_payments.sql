-- One attempt to pay an order. `pending` is the intent, written before the provider is called; the id is the key
-- by which the provider knows the charge. `refund_reserved` counts refunds begun, `refunded` those the provider
-- has confirmed, so that refunds running side by side can never exceed the capture.
create table payment (
  id uuid primary key,
  order_id uuid not null,
  user_id uuid not null,
  provider text not null,
  amount bigint not null check (amount > 0),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  status text not null default 'pending'
    check (status in ('pending', 'authorized', 'captured', 'failed', 'voided')),
  reason text,
  refund_reserved bigint not null default 0,
  refunded bigint not null default 0,
  version bigint not null default 1,
  attempts integer not null default 0,
  due_at timestamptz,
  created_at timestamptz(3) not null default now(),
  check (0 <= refunded and refunded <= refund_reserved and refund_reserved <= amount),
  check (status = 'captured' or refund_reserved = 0),
  check ((status in ('pending', 'authorized')) = (due_at is not null))
);
create index payment_order on payment (order_id);
create index payment_due on payment (due_at) where due_at is not null;

-- The intent to give money back; its id is the provider's key, so asking again refunds once.
create table refund (
  id uuid primary key,
  payment_id uuid not null references payment,
  amount bigint not null check (amount > 0),
  cause text not null check (cause in ('requested', 'reversal', 'late_capture')),
  reason text not null,
  attempts integer not null default 0,
  due_at timestamptz,
  created_at timestamptz(3) not null default now()
);
create index refund_payment on refund (payment_id);
create index refund_due on refund (due_at) where due_at is not null;

-- Orders whose money goes back, whatever is charged for them later. `refunded` is fixed with the mark: what was
-- captured and not yet refunded at that moment.
create table order_reversal (
  order_id uuid primary key,
  refunded bigint not null default 0,
  currency text,
  created_at timestamptz(3) not null default now()
);

-- Events of providers that were taken in, by the provider's own id.
create table webhook_event (
  provider text not null,
  event_id text not null,
  at timestamptz(3) not null default now(),
  primary key (provider, event_id)
);
create index webhook_event_at on webhook_event (at);

-- The sandbox provider's own books. It plays an outside party: nothing here is written in a transaction with the
-- tables above, and nothing above refers to it. A tombstone (a key voided before it was charged) has no amount.
create table sandbox_charge (
  key text collate "C" primary key,
  amount bigint check (amount > 0),
  currency text,
  state text not null check (state in ('erring', 'captured', 'authorized', 'declined', 'voided')),
  reason text,
  errors integer not null default 0,
  refunded bigint not null default 0,
  created_at timestamptz(3) not null default now(),
  check (state = 'voided' or (amount is not null and currency is not null)),
  check (refunded >= 0 and (refunded = 0 or (state = 'captured' and refunded <= amount)))
);

create table sandbox_refund (
  key text primary key,
  charge_key text not null references sandbox_charge,
  amount bigint not null check (amount > 0),
  created_at timestamptz(3) not null default now()
);

create table sandbox_webhook (
  id uuid primary key default gen_random_uuid(),
  charge_key text not null unique references sandbox_charge,
  attempts integer not null default 0,
  due_at timestamptz,
  created_at timestamptz(3) not null default now()
);
create index sandbox_webhook_due on sandbox_webhook (due_at) where due_at is not null;
