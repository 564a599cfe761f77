/** Words of `demo/harbour-notice.ogg`, which flite says with its voice `rms`, and the seconds at which some of its sentences begin. */
export const NOTICE = {
  text: `Good morning from the harbour office. This is the notice for Tuesday. The ferry to the island leaves at nine, at noon and at four. Dogs travel free of charge, but they must stay on the lower deck. A gale is expected in the evening. Boats at the western pier should be moved behind the breakwater before six o'clock. The crane is out of service until Friday. Whoever has to lift a boat should call the yard on channel eight. The showers beside the office have been repaired, and the key hangs on the hook behind the door. The fish market opens on Saturday at seven. Fishermen who want a stall should bring their own ice. Divers are inspecting the chains of the visitor moorings this week. Please keep clear of the yellow buoys. Lost and found: a blue jacket and a pair of binoculars are waiting for their owners at the front desk. That is all for today. Fair winds, and keep a good watch.`,
  phrases: [
    { phrase: 'ferry', seconds: 4.71 },
    { phrase: 'crane', seconds: 21.57 },
    { phrase: 'fish market', seconds: 34.37 },
    { phrase: 'Divers', seconds: 41.15 },
  ],
}
