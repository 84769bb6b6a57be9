// apache-arrow as programs import it. A module of its own, so that it can be required when it is needed.
export * from 'apache-arrow'
