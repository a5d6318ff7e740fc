-- One paid order of two lines, as a sane hand-written shop with the same promises would write it, and nothing else:
-- no HTTP, no reads, no events handled. It is what an order costs Postgres at least, and the measure that orders/s
-- are held against. It is FIXED: it does not change when the design of the shop does, or ratios of different days
-- could not be compared.
--
-- Run as: pgbench -n -M prepared -f order.sql -D base=<seconds since 1970> -D n=0. Ids rise, as UUIDv7 do: by the start
-- of the run, then by client, then one by one.
\set n :n + 1
\set id (:base << 32) + (:client_id << 24) + :n
\set first random(1, 999)
\set second random(:first + 1, 1000)

-- A: the key is claimed, the order is begun, its saga is journalled.
begin;
insert into idempotency (user_id, key, order_id) values (lpad(to_hex(:client_id::bigint), 32, '0')::uuid, 'key-' || :id::bigint, lpad(to_hex(:id::bigint), 32, '0')::uuid);
insert into order_event (order_id, version, type, data) values (lpad(to_hex(:id::bigint), 32, '0')::uuid, 1, 'order.created', '{"items": [{"sku": "S1", "name": "Oak table 1 for the garden", "quantity": 1, "unitPrice": {"amount": 1250, "currency": "GBP"}}, {"sku": "S2", "name": "Oak table 2 for the office", "quantity": 1, "unitPrice": {"amount": 1350, "currency": "GBP"}}], "total": {"amount": 2600, "currency": "GBP"}}');
insert into order_view (id, user_id, status, currency, items, total, version) values (lpad(to_hex(:id::bigint), 32, '0')::uuid, lpad(to_hex(:client_id::bigint), 32, '0')::uuid, 'pending', 'GBP', '[{"sku": "S1", "name": "Oak table 1 for the garden", "quantity": 1, "unitPrice": {"amount": 1250, "currency": "GBP"}}, {"sku": "S2", "name": "Oak table 2 for the office", "quantity": 1, "unitPrice": {"amount": 1350, "currency": "GBP"}}]', 2600, 1);
insert into order_address (order_id, user_id, address) values (lpad(to_hex(:id::bigint), 32, '0')::uuid, lpad(to_hex(:client_id::bigint), 32, '0')::uuid, '{"name": "Ada Lovelace", "line1": "12 Mill Lane", "city": "London", "postalCode": "N1 1AA", "country": "GB"}');
insert into saga (id, order_id, data) values (lpad(to_hex(:id::bigint), 32, '1')::uuid, lpad(to_hex(:id::bigint), 32, '0')::uuid, '{"lines": [{"sku": "S1", "quantity": 1}, {"sku": "S2", "quantity": 1}], "paymentId": "00000000-0000-0000-0000-000000000001"}');
commit;

-- B: stock is taken line by line in the order of their ids, so that two orders never wait for each other in a circle.
begin;
update stock set reserved = reserved + 1 where id = :first::integer and on_hand - reserved >= 1;
update stock set reserved = reserved + 1 where id = :second::integer and on_hand - reserved >= 1;
insert into reservation (order_id, state, expires_at) values (lpad(to_hex(:id::bigint), 32, '0')::uuid, 'open', now() + interval '30 minutes');
insert into reservation_line (order_id, stock_id, quantity) values (lpad(to_hex(:id::bigint), 32, '0')::uuid, :first::integer, 1), (lpad(to_hex(:id::bigint), 32, '0')::uuid, :second::integer, 1);
insert into outbox (id, type, stream, version, data) values (lpad(to_hex(:id::bigint), 32, '2')::uuid, 'stock.reserved', lpad(to_hex(:id::bigint), 32, '0')::uuid, 1, '{"lines": [{"sku": "S1", "quantity": 1}, {"sku": "S2", "quantity": 1}]}');
commit;

-- C1: the intent to charge, before the provider is asked.
begin;
insert into payment (id, order_id, amount, currency, status, due_at) values (lpad(to_hex(:id::bigint), 32, '3')::uuid, lpad(to_hex(:id::bigint), 32, '0')::uuid, 2600, 'GBP', 'pending', now() + interval '10 seconds');
commit;

-- C2: what the provider said.
begin;
update payment set status = 'captured', due_at = null where id = lpad(to_hex(:id::bigint), 32, '3')::uuid and status = 'pending';
insert into outbox (id, type, stream, version, data) values (lpad(to_hex(:id::bigint), 32, '4')::uuid, 'payment.captured', lpad(to_hex(:id::bigint), 32, '3')::uuid, 1, '{"amount": 2600, "currency": "GBP"}');
commit;

-- D: the order is paid, its saga has ended, the answer is kept, and two consumers will hear of it.
begin;
insert into order_event (order_id, version, type, data) values (lpad(to_hex(:id::bigint), 32, '0')::uuid, 2, 'order.paid', '{"paymentId": "00000000-0000-0000-0000-000000000001"}');
update order_view set status = 'paid', payment_id = lpad(to_hex(:id::bigint), 32, '3')::uuid, version = 2, updated_at = now() where id = lpad(to_hex(:id::bigint), 32, '0')::uuid and version = 1;
update saga set state = 'done', updated_at = now() where id = lpad(to_hex(:id::bigint), 32, '1')::uuid and fence = 1 and state <> 'done';
update idempotency set status = 201, body = '{"id":"00000000-0000-0000-0000-000000000001","number":"B-100001","status":"paid","currency":"GBP","items":[{"sku":"S1","name":"Oak table 1 for the garden","quantity":1,"unitPrice":{"amount":1250,"currency":"GBP"}},{"sku":"S2","name":"Oak table 2 for the office","quantity":1,"unitPrice":{"amount":1350,"currency":"GBP"}}],"total":{"amount":2600,"currency":"GBP"}}' where user_id = lpad(to_hex(:client_id::bigint), 32, '0')::uuid and key = 'key-' || :id::bigint;
insert into outbox (id, type, stream, version, data) values (lpad(to_hex(:id::bigint), 32, '5')::uuid, 'order.paid', lpad(to_hex(:id::bigint), 32, '0')::uuid, 2, '{"number": "B-100001", "total": {"amount": 2600, "currency": "GBP"}}');
insert into delivery (event_id, consumer, stream, version) values (lpad(to_hex(:id::bigint), 32, '5')::uuid, 'product', lpad(to_hex(:id::bigint), 32, '0')::uuid, 2), (lpad(to_hex(:id::bigint), 32, '5')::uuid, 'notification', lpad(to_hex(:id::bigint), 32, '0')::uuid, 2);
commit;
