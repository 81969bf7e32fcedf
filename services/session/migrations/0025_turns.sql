-- Tenants take turns, in each lane by itself: a claim visits those that have promotions due.
DROP INDEX sessions_promotion;
CREATE INDEX sessions_promotion_small ON sessions (tenant_id, promote_at)
    WHERE state = 'stored' AND staged_bytes BETWEEN 0 AND 67108863;
CREATE INDEX sessions_promotion_large ON sessions (tenant_id, promote_at)
    WHERE state = 'stored' AND staged_bytes BETWEEN 67108864 AND 9223372036854775807;
