CREATE TABLE `stored_bytes` (
	`owner` text PRIMARY KEY NOT NULL,
	`bytes` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `stored_bytes_bytes` ON `stored_bytes` (`bytes`);--> statement-breakpoint
ALTER TABLE `batches` ADD `input_bytes` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
INSERT INTO `stored_bytes` (`owner`, `bytes`) SELECT `owner`, sum(`size`) FROM `uploads` GROUP BY `owner`;--> statement-breakpoint
CREATE TRIGGER `uploads_stored` AFTER INSERT ON `uploads`
BEGIN
	INSERT INTO `stored_bytes` (`owner`, `bytes`) VALUES (NEW.`owner`, NEW.`size`) ON CONFLICT (`owner`) DO UPDATE SET `bytes` = `bytes` + excluded.`bytes`;
END;--> statement-breakpoint
CREATE TRIGGER `uploads_freed` AFTER DELETE ON `uploads`
BEGIN
	UPDATE `stored_bytes` SET `bytes` = max(0, `bytes` - OLD.`size`) WHERE `owner` = OLD.`owner`;
	DELETE FROM `stored_bytes` WHERE `owner` = OLD.`owner` AND `bytes` = 0;
END;--> statement-breakpoint
CREATE TRIGGER `batches_stored` AFTER INSERT ON `batches` WHEN NEW.`input_bytes` > 0
BEGIN
	INSERT INTO `stored_bytes` (`owner`, `bytes`) VALUES (NEW.`owner`, NEW.`input_bytes`) ON CONFLICT (`owner`) DO UPDATE SET `bytes` = `bytes` + excluded.`bytes`;
END;--> statement-breakpoint
CREATE TRIGGER `batches_grown` AFTER UPDATE OF `input_bytes` ON `batches` WHEN NEW.`input_bytes` > OLD.`input_bytes`
BEGIN
	INSERT INTO `stored_bytes` (`owner`, `bytes`) VALUES (NEW.`owner`, NEW.`input_bytes` - OLD.`input_bytes`) ON CONFLICT (`owner`) DO UPDATE SET `bytes` = `bytes` + excluded.`bytes`;
END;--> statement-breakpoint
CREATE TRIGGER `batches_freed` AFTER DELETE ON `batches` WHEN OLD.`input_bytes` > 0
BEGIN
	UPDATE `stored_bytes` SET `bytes` = max(0, `bytes` - OLD.`input_bytes`) WHERE `owner` = OLD.`owner`;
	DELETE FROM `stored_bytes` WHERE `owner` = OLD.`owner` AND `bytes` = 0;
END;
