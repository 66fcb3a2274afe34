-- One more thing that is known of an order: that its card's link was followed (CARD_OPENED).
ALTER TABLE exchange.order_state DROP CONSTRAINT order_state_state_check;
ALTER TABLE exchange.order_state ADD CONSTRAINT order_state_state_check
  CHECK (state IN ('checked', 'shown', 'accepted', 'overridden', 'opened'));

-- What the order feed lets one infer of orders whose EHR sends no feedback (services/exchange/order_feed), by the keyed hash of the order's
-- identifier: a projection of the stored ServiceRequests that can be made anew, in no figure of savings.
CREATE TABLE exchange.order_inferred (
  tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),
  order_key bytea NOT NULL CHECK (octet_length(order_key) = 32),
  state text NOT NULL CHECK (state IN ('cancelled', 'performed')),
  PRIMARY KEY (order_key, state)
);
