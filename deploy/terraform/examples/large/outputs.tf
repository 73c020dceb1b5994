output "platform" {
  description = "What the module tells; `settings` is for notebooks."
  value       = module.platform
}
