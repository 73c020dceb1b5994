# The variables of the repository's environments that the workflows read.
output "GOOGLE_IDENTITY_PROVIDER" {
  description = "Of all three environments."
  value       = google_iam_workload_identity_pool_provider.github.name
}

output "GOOGLE_PLANNER" {
  description = "Of the environment `plan`."
  value       = google_service_account.delivery["planner"].email
}

output "GOOGLE_PUSHER" {
  description = "Of the environment `images`."
  value       = google_service_account.delivery["pusher"].email
}

output "GOOGLE_DEPLOYER" {
  description = "Of the environment `production`."
  value       = google_service_account.delivery["deployer"].email
}
