-- Stock counters, the ledger that explains them, and reservations.

-- Only the key is indexed and pages keep free room, so that an update stays on its page and touches no index
-- (heap-only). The checks stand behind the conditional updates: whatever the code does, nothing is oversold.
create table stock (
  variant_id uuid primary key references variant,
  initial bigint not null,
  on_hand bigint not null check (on_hand >= 0),
  reserved bigint not null default 0 check (reserved >= 0),
  check (reserved <= on_hand)
) with (fillfactor = 70);

-- Every change of on_hand after the initial count. `position` is taken under the stock row's lock, so it is the
-- true order of one variant's entries.
create table stock_entry (
  position bigint generated always as identity primary key,
  id uuid not null default new_id(),
  variant_id uuid not null,
  delta bigint not null check (delta <> 0),
  reason text not null,
  order_id uuid,
  on_hand bigint not null,
  at timestamptz(3) not null default now()
);
create index stock_entry_variant on stock_entry (variant_id, position);

-- One row per order, never deleted: a closed one refuses a late reserve, and a sold one tells what to take back.
create table reservation (
  order_id uuid primary key,
  state text not null check (state in ('open', 'sold', 'released', 'returned', 'expired')),
  pinned boolean not null default false,
  expires_at timestamptz not null,
  created_at timestamptz(3) not null default now()
);
create index reservation_expiry on reservation (expires_at) where state = 'open' and not pinned;
create index reservation_open on reservation (order_id) where state = 'open';

-- No foreign keys: both rows were read or written by the very statement that inserts these, neither is ever
-- deleted, and an order of 2,000 lines would pay for 4,000 checks.
create table reservation_line (
  order_id uuid not null,
  variant_id uuid not null,
  quantity bigint not null check (quantity > 0),
  primary key (order_id, variant_id)
);
