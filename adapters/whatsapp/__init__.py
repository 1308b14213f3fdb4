"""WhatsApp Business Platform, Cloud API: sends templates; reads receipts, replies and account news."""
