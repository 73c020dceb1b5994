# What the workflows of GitHub may do, without a key: Google takes a run's own token, if it is of this repository and of
# the environment that the account is for. A person applies this once, with a state of its own, since no pipeline can
# make what it is trusted by.
locals {
  accounts = {
    planner  = { environment = "plan", does = "shows what a pull request would change; it reads only" }
    pusher   = { environment = "images", does = "pushes the platform's images, and nothing else" }
    deployer = { environment = "production", does = "applies the module, after the environment's reviewers said yes" }
  }

  # What the deployer makes and changes, by Google's own roles of administration; together they are nearly an owner's. A
  # budget is the billing account's, whose owner gives `roles/billing.costsManager` there.
  deploys = toset([
    "roles/artifactregistry.admin",
    "roles/bigquery.admin",
    "roles/cloudscheduler.admin",
    "roles/cloudsql.admin",
    "roles/compute.admin",
    "roles/iam.roleAdmin",
    "roles/iam.serviceAccountAdmin",
    "roles/iam.serviceAccountUser",
    "roles/iap.admin",
    "roles/memorystore.admin",
    "roles/monitoring.admin",
    "roles/networkconnectivity.consumerNetworkAdmin",
    "roles/pubsub.admin",
    "roles/resourcemanager.projectIamAdmin",
    "roles/run.admin",
    "roles/secretmanager.admin",
    "roles/servicenetworking.networksAdmin",
    "roles/serviceusage.serviceUsageAdmin",
    "roles/storage.admin",
  ])

  # A plan reads every resource and who may use it. `roles/viewer` would be shorter, and reads rows and objects too, as a
  # new dataset and a new bucket let a project's viewers do.
  plans = toset([
    "roles/artifactregistry.reader",
    "roles/bigquery.metadataViewer",
    "roles/cloudscheduler.viewer",
    "roles/cloudsql.viewer",
    "roles/compute.viewer",
    "roles/iam.roleViewer",
    "roles/iam.securityReviewer",
    "roles/iam.serviceAccountViewer",
    "roles/memorystore.viewer",
    "roles/monitoring.viewer",
    "roles/networkconnectivity.hubViewer",
    "roles/pubsub.viewer",
    "roles/run.viewer",
    "roles/secretmanager.viewer",
    "roles/serviceusage.serviceUsageViewer",
    "roles/storage.bucketViewer",
  ])
}

resource "google_iam_workload_identity_pool" "github" {
  project                   = var.project
  workload_identity_pool_id = "${var.name}-github"
  display_name              = "GitHub"
  description               = "Runs of the workflows of ${var.repository}."
}

resource "google_iam_workload_identity_pool_provider" "github" {
  project                            = var.project
  workload_identity_pool_id          = google_iam_workload_identity_pool.github.workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  display_name                       = "GitHub Actions"

  # The number stays with the repository; its name may go to somebody else.
  attribute_condition = "assertion.repository_id == '${var.repository_id}'"
  attribute_mapping   = { "google.subject" = "assertion.sub" }

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account" "delivery" {
  for_each = local.accounts

  project      = var.project
  account_id   = "${var.name}-${each.key}"
  display_name = "${var.name}: ${each.key}"
  description  = each.value.does
}

# A run is of one environment, which GitHub puts into the token's subject; its rules say which branches and tags get it.
resource "google_service_account_iam_member" "github" {
  for_each = local.accounts

  service_account_id = google_service_account.delivery[each.key].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principal://iam.googleapis.com/${google_iam_workload_identity_pool.github.name}/subject/repo:${var.repository}:environment:${each.value.environment}"
}

resource "google_project_iam_member" "deployer" {
  for_each = local.deploys

  project = var.project
  role    = each.value
  member  = google_service_account.delivery["deployer"].member
}

resource "google_project_iam_member" "planner" {
  for_each = local.plans

  project = var.project
  role    = each.value
  member  = google_service_account.delivery["planner"].member
}

resource "google_artifact_registry_repository_iam_member" "pusher" {
  project    = var.project
  location   = var.region
  repository = var.name
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.delivery["pusher"].member
}

# Terraform's state of the platform: read by a plan, written by a deployment.
resource "google_storage_bucket_iam_member" "state" {
  for_each = { planner = "roles/storage.objectViewer", deployer = "roles/storage.objectUser" }

  bucket = var.state_bucket
  role   = each.value
  member = google_service_account.delivery[each.key].member
}
