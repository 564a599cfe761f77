ALTER TABLE `jobs` RENAME COLUMN `turn` TO `virtual_time`;--> statement-breakpoint
ALTER TABLE `jobs` RENAME COLUMN `place` TO `priority_key`;--> statement-breakpoint
ALTER TABLE `owners` RENAME COLUMN `last_turn` TO `last_virtual_time`;--> statement-breakpoint
ALTER TABLE `webhooks` RENAME COLUMN `told_seq` TO `enqueued_seq`;--> statement-breakpoint
ALTER TABLE `batches` RENAME COLUMN `steering` TO `transition`;--> statement-breakpoint
ALTER TABLE `batches` RENAME COLUMN `steered_to` TO `transition_cursor`;--> statement-breakpoint
ALTER TABLE `rag_segments` RENAME COLUMN `place` TO `position`;--> statement-breakpoint
DROP INDEX `jobs_placed`;--> statement-breakpoint
DROP INDEX `jobs_offered_placed`;--> statement-breakpoint
DROP INDEX `owners_last_turn`;--> statement-breakpoint
DROP INDEX `batches_steering`;--> statement-breakpoint
CREATE INDEX `jobs_priority` ON `jobs` (`owner`,`priority_key`) WHERE status = 'ready' AND priority_key IS NOT NULL;--> statement-breakpoint
CREATE INDEX `jobs_offered_priority` ON `jobs` (`queue`,`owner`,`priority_key`) WHERE status = 'offered' AND priority_key IS NOT NULL;--> statement-breakpoint
CREATE INDEX `owners_last_virtual_time` ON `owners` (`last_virtual_time`);--> statement-breakpoint
CREATE INDEX `batches_transition` ON `batches` (`id`) WHERE transition IS NOT NULL;
