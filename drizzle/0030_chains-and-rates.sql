ALTER TABLE `batches` ADD `next` text;--> statement-breakpoint
ALTER TABLE `batches` ADD `chain` text;--> statement-breakpoint
ALTER TABLE `batches` ADD `debounce_key` text;--> statement-breakpoint
ALTER TABLE `batches` ADD `debounce_from` integer;--> statement-breakpoint
ALTER TABLE `batches` ADD `superseded_by` text;--> statement-breakpoint
ALTER TABLE `batches` ADD `throttle_key` text;--> statement-breakpoint
CREATE INDEX `batches_debounce` ON `batches` (`owner`,`operation`,`debounce_key`,`run_at`) WHERE debounce_key IS NOT NULL AND finished_at IS NULL;--> statement-breakpoint
CREATE INDEX `batches_throttle` ON `batches` (`owner`,`operation`,`throttle_key`,`run_at`) WHERE throttle_key IS NOT NULL;