-- Orders: the log of events is the truth, the read model beside it is what queries look at.

create sequence order_number start 100001;

create table event (
  stream uuid not null,
  version integer not null check (version > 0),
  type text not null,
  data jsonb not null,
  -- The clock and not the transaction's start: versions are written under the order's lock, so times rise too.
  at timestamptz(3) not null default clock_timestamp(),
  primary key (stream, version)
);

create table order_view (
  id uuid primary key,
  number text not null unique,
  user_id uuid not null,
  status text not null check (status in
    ('pending', 'awaiting_payment', 'paid', 'shipped', 'delivered', 'rejected', 'cancelled')),
  currency text not null,
  items jsonb not null,
  total bigint not null check (total >= 0),
  reason text,
  tracking_number text,
  payment_id uuid,
  version integer not null,
  created_at timestamptz(3) not null,
  updated_at timestamptz(3) not null
);
-- Lists show the newest first, narrowed by owner or status; the last one also finds what was left unpaid.
create index order_view_created on order_view (created_at, id);
create index order_view_user on order_view (user_id, created_at, id);
create index order_view_status on order_view (status, created_at, id);

-- Personal data: emptied by erasure, and in no event.
create table order_address (
  order_id uuid primary key,
  user_id uuid not null,
  address jsonb not null
);
create index order_address_user on order_address (user_id);

-- Erased users whose access tokens may still live for minutes: no address is kept for them any more.
create table erased_user (
  user_id uuid primary key
);

-- What a charge in progress is made with; gone when its saga ends, so that no journal keeps a token.
create table payment_token (
  payment_id uuid primary key,
  method text not null,
  token text not null
);
