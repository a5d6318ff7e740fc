-- The catalogue: products with their variants and prices, and what lists are searched and sorted by.

-- A UUIDv7 made by the database, for rows that a set-based statement creates.
create function new_id() returns uuid language sql volatile as $$
  select encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid())
        placing substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
        from 1 for 6),
      52, 1), 53, 1), 'hex')::uuid
$$;

-- `version` rises with every change of the catalogue or a price, not when stock moves. `in_stock` is written only
-- when availability crosses zero, so that hot products do not rewrite their row and its indexes with each sale.
-- Names and slugs sort by code point: the same order on every machine, whatever its locale.
create table product (
  id uuid primary key,
  slug text collate "C" not null unique,
  name text collate "C" not null,
  description text not null default '',
  category text collate "C",
  status text not null default 'active' check (status in ('active', 'archived')),
  version integer not null default 1,
  in_stock boolean not null,
  search tsvector not null
    generated always as (to_tsvector('simple'::regconfig, name || ' ' || description)) stored,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now()
);

-- Lists show active products only. Each sort has an index in its order, alone and behind each equality filter,
-- so that a page costs its own length wherever in the list it stands.
create index product_created on product (created_at, id) where status = 'active';
create index product_name on product (name, id) where status = 'active';
create index product_category_created on product (category, created_at, id) where status = 'active';
create index product_category_name on product (category, name, id) where status = 'active';
create index product_stock_created on product (in_stock, created_at, id) where status = 'active';
create index product_stock_name on product (in_stock, name, id) where status = 'active';
create index product_search on product using gin (search) where status = 'active';

-- Variants are never deleted: orders, ledgers and reservations keep their ids.
create table variant (
  id uuid primary key,
  product_id uuid not null references product,
  sku text collate "C" not null unique,
  options jsonb not null,
  position integer not null
);
create index variant_product on variant (product_id, position);

create table price (
  variant_id uuid not null references variant,
  currency text collate "C" not null,
  amount bigint not null check (amount >= 0),
  primary key (variant_id, currency)
);

-- Every price a variant ever had, the current one included.
create table price_history (
  position bigint generated always as identity primary key,
  variant_id uuid not null,
  currency text collate "C" not null,
  amount bigint not null,
  at timestamptz(3) not null default now()
);
create index price_history_variant on price_history (variant_id, position);

-- The lowest price of a product's variants in each currency: what lists filter and sort by. Written in the
-- transaction that changes a price.
create table lowest_price (
  product_id uuid not null references product,
  currency text collate "C" not null,
  amount bigint not null,
  primary key (product_id, currency)
);
create index lowest_price_amount on lowest_price (currency, amount, product_id);
