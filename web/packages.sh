# To be read by the scripts of this folder: the packages that the lock file names are there.
# It names versions and hashes but no addresses: packages come from the registry that npm is set up for.
if ! cmp -s package-lock.json node_modules/.tiltyard-lock 2>/dev/null; then
  npm ci --no-audit --no-fund --ignore-scripts --silent
  cp package-lock.json node_modules/.tiltyard-lock
fi
