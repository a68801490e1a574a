"""One video: where its packets are, its frames and pixels, its clips, and how it is encoded. No data sets."""
