ALTER TABLE `batches` ADD `cut_open` integer DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE `batches` ADD `steering` text;--> statement-breakpoint
ALTER TABLE `batches` ADD `steered_to` integer;--> statement-breakpoint
CREATE INDEX `batches_steering` ON `batches` (`id`) WHERE steering IS NOT NULL;--> statement-breakpoint
ALTER TABLE `jobs` ADD `place` integer;--> statement-breakpoint
CREATE INDEX `jobs_placed` ON `jobs` (`owner`,`place`) WHERE status = 'ready' AND place IS NOT NULL;--> statement-breakpoint
UPDATE `batches` SET `steering` = 'stop', `steered_to` = 0 WHERE `stop_code` IS NOT NULL AND `finished_at` IS NULL;--> statement-breakpoint
UPDATE `batches` SET `paused_at` = NULL WHERE `finished_at` IS NOT NULL AND `paused_at` IS NOT NULL;
