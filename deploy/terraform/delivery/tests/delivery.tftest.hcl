# Who is trusted, and with what.
variables {
  project       = "desk-prod"
  repository    = "desk/energy-platform"
  repository_id = "123456789"
  state_bucket  = "desk-prod-terraform"
}

run "trusts_one_repository" {
  command = apply

  assert {
    condition     = google_iam_workload_identity_pool_provider.github.attribute_condition == "assertion.repository_id == '123456789'"
    error_message = "A token of another repository is refused."
  }

  assert {
    condition = alltrue([
      for who, one in local.accounts :
      endswith(google_service_account_iam_member.github[who].member, "/subject/repo:desk/energy-platform:environment:${one.environment}")
      && google_service_account_iam_member.github[who].role == "roles/iam.workloadIdentityUser"
    ])
    error_message = "An account is used from its own environment alone."
  }

  assert {
    condition     = length(distinct([for one in local.accounts : one.environment])) == 3
    error_message = "Whoever plans can't push, and whoever pushes can't deploy."
  }

  assert {
    condition = alltrue([
      for role in local.plans : can(regex("(\\.\\w*[vV]iewer|\\.reader|\\.securityReviewer)$", role))
      && !can(regex("\\.dataViewer|objectViewer|secretAccessor|^roles/viewer", role))
    ])
    error_message = "A plan changes nothing, and reads neither rows nor objects nor secrets."
  }

  assert {
    condition     = google_storage_bucket_iam_member.state["planner"].role == "roles/storage.objectViewer"
    error_message = "A plan reads the state, and does not write it."
  }
}

run "refuses_a_name_for_a_number" {
  command = plan

  variables {
    repository_id = "desk/energy-platform"
  }

  expect_failures = [var.repository_id]
}
