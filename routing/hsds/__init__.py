"""The directory in the form that other directories read: Open Referral HSDS 3.0 and 3.1, in and out."""
