DROP INDEX `jobs_held`;--> statement-breakpoint
UPDATE `jobs` SET `status` = 'blocked' WHERE `status` = 'held';--> statement-breakpoint
CREATE INDEX `jobs_blocked` ON `jobs` (`batch_id`,`sequence`) WHERE status = 'blocked';
