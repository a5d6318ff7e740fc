-- Plain tables for order.sql: what a shop needs to keep of an order, with the indexes that it would have.

create table idempotency (
  user_id uuid not null,
  key text not null,
  order_id uuid not null,
  status integer,
  body text,
  created_at timestamptz not null default now(),
  primary key (user_id, key)
);
create index on idempotency (created_at);

create table order_event (
  order_id uuid not null,
  version integer not null,
  type text not null,
  data jsonb not null,
  at timestamptz not null default now(),
  primary key (order_id, version)
);

create table order_view (
  id uuid primary key,
  user_id uuid not null,
  status text not null,
  currency text not null,
  items jsonb not null,
  total bigint not null,
  payment_id uuid,
  version integer not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index on order_view (created_at, id);
create index on order_view (user_id, created_at, id);
create index on order_view (status, created_at, id);

create table order_address (
  order_id uuid primary key,
  user_id uuid not null,
  address jsonb not null
);
create index on order_address (user_id);

create table saga (
  id uuid primary key,
  order_id uuid not null,
  data jsonb not null,
  state text not null default 'running',
  fence integer not null default 1,
  due_at timestamptz not null default now() + interval '6 seconds',
  updated_at timestamptz not null default now()
);
create unique index on saga (order_id) where state <> 'done';
create index on saga (due_at) where state <> 'done';

create table outbox (
  id uuid primary key,
  type text not null,
  stream uuid not null,
  version bigint not null,
  data jsonb not null,
  at timestamptz not null default now()
);
create index on outbox (at);

create table delivery (
  event_id uuid not null,
  consumer text not null,
  stream uuid not null,
  version bigint not null,
  state text not null default 'pending',
  due_at timestamptz not null default now(),
  primary key (event_id, consumer)
);
create index on delivery (consumer, due_at) where state in ('pending', 'leased');

create table stock (
  id integer primary key,
  on_hand bigint not null,
  reserved bigint not null default 0,
  check (reserved between 0 and on_hand)
) with (fillfactor = 70);
insert into stock select id, 1000000000 from generate_series(1, 1000) id;

create table reservation (
  order_id uuid primary key,
  state text not null,
  expires_at timestamptz not null
);
create index on reservation (expires_at) where state = 'open';

create table reservation_line (
  order_id uuid not null,
  stock_id integer not null,
  quantity bigint not null,
  primary key (order_id, stock_id)
);

create table payment (
  id uuid primary key,
  order_id uuid not null,
  amount bigint not null,
  currency text not null,
  status text not null,
  due_at timestamptz,
  created_at timestamptz not null default now()
);
create index on payment (order_id);
create index on payment (due_at) where due_at is not null;

vacuum analyze;
