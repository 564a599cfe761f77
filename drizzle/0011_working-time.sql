ALTER TABLE `batches` ADD `limit_ms` integer;--> statement-breakpoint
ALTER TABLE `batches` ADD `idle_ms` integer;--> statement-breakpoint
CREATE INDEX `batches_operation_finished` ON `batches` (`operation`,`finished_at`) WHERE finished_at IS NOT NULL;--> statement-breakpoint
UPDATE `batches` SET `limit_ms` = 3600000 WHERE `operation` LIKE 'cards.%';
