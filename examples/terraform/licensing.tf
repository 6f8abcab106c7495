# Where a switch sends its usage and how often, and both in its startup configuration.

terraform {
  required_version = ">= 1.14.0"

  required_providers {
    nxos = {
      source  = "CiscoDevNet/nxos"
      version = ">= 0.14.0"
    }
  }
}

provider "nxos" {
  url      = var.switch_url
  username = var.username
  password = var.password
}

# `terraform destroy` sets back what is named here. Beware: of a Nexus the provider then takes away more that belongs to this
# resource, whether it was named or not: name servers, time zone, boot image and others.
resource "nxos_system" "licensing" {
  smart_licensing_transport_mode     = var.transport_mode
  smart_licensing_transport_cslu_url = var.cslu_url

  lifecycle {
    action_trigger {
      events  = [after_create, after_update]
      actions = [action.nxos_save_config.licensing]
    }
  }
}

# The provider has no resource of its own for this object. Its class is named as Rumline names it; a Nexus may call it otherwise.
resource "nxos_dme" "usage_interval" {
  dn         = "sys/licensemanager/inst/smartlicensing/usage"
  class_name = "licensemanagerUsage"
  content = {
    interval = var.usage_interval_days
  }

  lifecycle {
    action_trigger {
      events  = [after_create, after_update]
      actions = [action.nxos_save_config.licensing]
    }
  }
}

action "nxos_save_config" "licensing" {}
