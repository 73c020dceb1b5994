output "settings" {
  description = "The platform's settings, as every process here has them: for a notebook or a process elsewhere. Those with a secret are in `secret_settings`."
  value       = { for name, value in local.settings : name => value if name != "ENERGY_PLATFORM_HOME" }
}

output "secret_settings" {
  description = "In which secret the value of each of the platform's other settings is."
  value       = { for secret, one in local.made : one.variable => google_secret_manager_secret.this[secret].secret_id if one.variable != null }
}

output "secret_names" {
  description = "The secrets of providers' keys. Add a version to each that the desk has (`gcloud secrets versions add`), then name its key in `provider_keys`."
  value       = { for key, one in local.keys : key => google_secret_manager_secret.this[one.id].secret_id }
}

output "urls" {
  description = "Where people go: the traders' dashboard, and the one with the Dagster UI."
  value       = local.web_urls
}

output "image_repository" {
  description = "Where images are pushed."
  value       = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.repository_id}"
}

output "outside_address" {
  description = "The address from which providers see the platform, for their lists of allowed addresses."
  value       = google_compute_address.outside.address
}

output "service_accounts" {
  description = "The service account of each kind of process."
  value       = { for process, one in google_service_account.process : process => one.email }
}

output "worker_pools" {
  description = "The worker pools, by process; a deployment gives each a new image."
  value       = { for process, one in google_cloud_run_v2_worker_pool.this : process => one.id }
}

output "services" {
  description = "The services, by process."
  value       = { for process, one in google_cloud_run_v2_service.web : process => one.id }
}

output "prepare_job" {
  description = "The job that a deployment runs before its processes: it migrates Dagster's storage."
  value       = google_cloud_run_v2_job.other["prepare"].id
}

output "replay_job" {
  description = "The job whose tasks stage a replay."
  value       = google_cloud_run_v2_job.replay.id
}

output "buckets" {
  description = "The buckets, by what they hold."
  value       = local.buckets
}

output "grafana_tunnel" {
  description = "The command that opens Grafana at http://localhost:3000."
  value       = "gcloud compute start-iap-tunnel ${google_compute_instance.stores.name} 3000 --local-host-port=localhost:3000 --zone=${google_compute_instance.stores.zone} --project=${var.project}"
}
