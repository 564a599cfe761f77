-- A key that named several batches of its owner stays with the newest. The others are found by their ids, as before.
UPDATE `batches` SET `idempotency_key` = NULL, `fingerprint` = NULL WHERE `idempotency_key` IS NOT NULL AND EXISTS (
  SELECT 1 FROM `batches` AS `newer` WHERE `newer`.`owner` = `batches`.`owner` AND `newer`.`idempotency_key` = `batches`.`idempotency_key`
    AND `newer`.`id` > `batches`.`id`);--> statement-breakpoint
DROP INDEX `batches_key`;--> statement-breakpoint
CREATE UNIQUE INDEX `batches_key` ON `batches` (`owner`,`idempotency_key`) WHERE idempotency_key IS NOT NULL;
