/**
 * Guaranteed pages that a source leaves alone while it loads rows: some for its own next phase, and all that the
 * operators behind it are guaranteed and do not hold yet. A join behind it may gather rows on their way to disk in the
 * same reservation; when it has more of them than its floor, they are written before the source begins to load.
 */
import type { OpenContext } from './contracts.ts'

/**
 * Called when the source holds nothing but its workspace.
 * @param own pages for the source's next phase
 * @param floorPages what the source declared beyond the workspace
 * @returns pages that were set aside: `reservation.takeBack` them
 */
export function setPagesAside(
  { reservation, workspace, writePending }: OpenContext,
  own: number,
  floorPages: number,
): number {
  const excess = (): number => reservation.usedPages + own - reservation.guaranteedPages
  while (excess() > 0 && writePending(excess()) > 0);
  const others = reservation.guaranteedPages - workspace.pages - floorPages
  const pending = reservation.usedPages - workspace.pages
  const wanted = own + Math.max(0, others - pending)
  const aside = Math.max(0, Math.min(wanted, reservation.guaranteedPages - reservation.usedPages))
  if (aside > 0) reservation.setAside(aside)
  return aside
}
