-- Two more things that can be known of an order: that its card's link was opened (CARD_OPENED), and what the order feed lets one infer where
-- an EHR sends no feedback (services/exchange/order_feed). Inferred states stand beside the others and count in no figure of savings.
ALTER TABLE exchange.order_state DROP CONSTRAINT order_state_state_check;
ALTER TABLE exchange.order_state ADD CONSTRAINT order_state_state_check
  CHECK (state IN ('checked', 'shown', 'accepted', 'overridden', 'opened', 'inferred-cancelled', 'inferred-performed'));
