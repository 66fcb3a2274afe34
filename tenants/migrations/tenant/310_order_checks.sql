-- Every check of each order, by the keyed hash of its identifier (services/exchange/order_explanation): the call's row in
-- exchange.check_answer says whose key opens the entry, which lies `position` entries after the one that it names.
CREATE TABLE exchange.order_check (
  tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),
  order_key bytea NOT NULL CHECK (octet_length(order_key) = 32),
  check_key bytea NOT NULL CHECK (octet_length(check_key) = 32),
  position bigint NOT NULL CHECK (position >= 0),
  PRIMARY KEY (order_key, check_key)
);
